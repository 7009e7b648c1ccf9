"""Where messages, generations, links and announcements are kept."""
