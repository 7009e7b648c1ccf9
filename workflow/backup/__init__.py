"""Backups: a data directory as it was at one moment, and a new data directory from it."""

from workflow.backup.manifest import BackedUp, Manifest, read_manifest
from workflow.backup.restoring import Restored, restore
from workflow.backup.saving import Saved, back_up

__all__ = ["BackedUp", "Manifest", "Restored", "Saved", "back_up", "read_manifest", "restore"]
