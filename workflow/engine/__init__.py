"""The durable runner: it knows no community, no torrent and no message; it moves instances on."""
