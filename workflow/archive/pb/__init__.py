"""Generated from ``workflow/archive/proto``; never edited by hand."""
