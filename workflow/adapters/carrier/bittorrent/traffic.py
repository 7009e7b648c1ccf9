"""What libtorrent counts, in the port's words."""

from __future__ import annotations

import libtorrent as lt

from workflow.ports.carrier import Peer, Traffic


def traffic_of(status: lt.torrent_status, here: int) -> Traffic:
    """``here`` are bytes that were asked for, and here before libtorrent was asked."""
    return Traffic(
        peers=status.num_peers,
        done=here + status.total_wanted_done,
        total=here + status.total_wanted,
        download_rate=status.download_payload_rate,
        upload_rate=status.upload_payload_rate,
        downloaded=status.total_payload_download,
        uploaded=status.total_payload_upload,
    )


def peer_of(info: lt.peer_info) -> Peer:
    """A peer's own name for its program is shown as far as it can be."""
    host, port = info.ip
    client = info.client.decode(errors="replace")
    return Peer(
        address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        client="".join(one if one.isprintable() else "?" for one in client),
        progress=info.progress,
        download_rate=info.payload_down_speed,
        upload_rate=info.payload_up_speed,
    )
