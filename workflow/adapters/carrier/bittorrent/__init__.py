"""The network of files: BitTorrent, by libtorrent."""
