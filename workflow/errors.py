"""Errors of the running engine, one tree with the tables' own errors.

CommunityArchivesError
├── ConfigurationError
│   ├── UnknownInstanceError
│   │   └── UnknownCommunityError
│   ├── AmbiguousCommunityError
│   ├── SettingsInvalidError
│   ├── UnknownEventError
│   ├── MalformedIdError
│   ├── ApplicationError
│   ├── NotControlNodeError
│   ├── NothingAnnouncedError
│   ├── AdoptionError
│   └── NameTakenError
├── DataDirectoryError
│   ├── DirectoryLockedError
│   ├── DirectoryNotEmptyError
│   ├── BackupInvalidError
│   ├── JournalDamagedError
│   ├── JournalForeignError
│   ├── JournalNewerError
│   ├── JournalWriteError
│   └── StatesRemovedError
├── JournalClosedError
├── WorkFailedError
├── KeyFileError
├── ArchiveError                bytes that break the format
│   ├── ArchiveInvalidError
│   ├── IndexInvalidError
│   ├── ArchivesNotFoundError
│   ├── TorrentInvalidError
│   ├── MagnetInvalidError
│   ├── AnnouncementInvalidError
│   └── RatchetKeyMissingError
├── LinkRefusedError            a link, or what speaks of one, that changes nothing
├── ExportInvalidError          a chat export that is to be imported
├── CarrierError                the network of files
│   ├── ContentDamagedError
│   ├── ListenError
│   ├── LocatorInvalidError
│   └── NoPeersError
│       └── NoPeerSourceError
└── MessagingError              the network of messages
    └── MessageTooLongError

``workflow.ownership.ForeignPackageError`` stands beside it: it tells that 'states', with the root
of this tree, is somebody else's.
"""

from __future__ import annotations

from states.errors import CommunityArchivesError


class ConfigurationError(CommunityArchivesError):
    """What was asked for does not exist or cannot be understood."""

    code = "configuration"


class UnknownInstanceError(ConfigurationError):
    """No instance of this lifecycle has this id."""

    code = "instance-unknown"
    remedy = "List what is there with 'community-archives status'."


class UnknownCommunityError(UnknownInstanceError):
    """No community of this name or id is known here."""

    code = "community-unknown"
    remedy = "List the known communities with 'community-archives status'."


class AmbiguousCommunityError(ConfigurationError):
    """Several communities begin so."""

    code = "community-ambiguous"
    remedy = "Give more of the name or of the id."


class SettingsInvalidError(ConfigurationError):
    """A setting cannot be read or cannot be meant; its place is a file and line, or a name."""

    code = "settings-invalid"
    remedy = "Correct it; docs/settings.md has what each setting can be."


class UnknownEventError(ConfigurationError):
    """The lifecycle has no event of this name."""

    code = "event-unknown"
    remedy = "Choose one of the events that are listed."


class MalformedIdError(ConfigurationError):
    """A community id, key or command id does not have its form."""

    code = "id-malformed"


class ApplicationError(ConfigurationError):
    """An application of one's own cannot be found, or not be put together as it is."""

    code = "application-invalid"


class NotControlNodeError(ConfigurationError):
    """Only the holder of the community's private key may do this."""

    code = "not-control-node"
    remedy = "Do it on the control node, or import the community's key first."


class NothingAnnouncedError(ConfigurationError):
    """No announcement by the community's control key is known here."""

    code = "nothing-announced"
    remedy = "Wait for the first announcement, or ask the control node for its line."


class AdoptionError(ConfigurationError):
    """Archives cannot be taken over from where they lie; nothing was changed."""

    code = "adoption-refused"


class ChoiceRefusedError(ConfigurationError):
    """These archives cannot be chosen: an owner needs all, or the choice says nothing."""

    code = "choice-refused"


class NameTakenError(ConfigurationError):
    """Another community is called so here."""

    code = "name-taken"
    remedy = "Choose another name."


class DataDirectoryError(CommunityArchivesError):
    """The data directory cannot be used."""

    code = "data-directory"


class DirectoryLockedError(DataDirectoryError):
    """Another process holds the data directory."""

    code = "data-directory-locked"
    remedy = "End that process first, or choose another --data-dir."


class DirectoryNotEmptyError(DataDirectoryError):
    """Something lies where a new directory is to be made; it was left alone."""

    code = "directory-not-empty"
    remedy = "Name a new directory, or an empty one."


class BackupInvalidError(DataDirectoryError):
    """There is no whole, undamaged backup at this place."""

    code = "backup-invalid"
    remedy = "Take another backup, and keep this one: parts of it may be of use."


class JournalClosedError(CommunityArchivesError):
    """The journal ended before this work was committed. Nothing of it has happened."""

    code = "journal-closed"
    remedy = "Open the node again."

    def __init__(self) -> None:
        super().__init__("the node is closed; nothing of this has happened")


class JournalMissingError(DataDirectoryError):
    """Nothing has ever been kept in this data directory."""

    code = "journal-missing"
    remedy = "Begin with 'community-archives init', or choose another --data-dir."


class JournalDamagedError(DataDirectoryError):
    """The database does not pass SQLite's own check."""

    code = "journal-damaged"
    remedy = "Keep the file, restore the last backup, and start again."


class JournalForeignError(DataDirectoryError):
    """The file is a database, but not a journal of ours."""

    code = "journal-foreign"
    remedy = "Point --data-dir at a directory of community-archives, or at an empty one."


class JournalNewerError(DataDirectoryError):
    """The journal was written by a newer version."""

    code = "journal-newer"
    remedy = "Upgrade community-archives; nothing was changed."


class JournalOlderError(DataDirectoryError):
    """The journal was written by an older version and has not been brought up to date yet."""

    code = "journal-older"
    remedy = "Start 'community-archives run' once: it brings the journal up to date."


class JournalWriteError(DataDirectoryError):
    """The database took nothing of what was to be committed."""

    code = "journal-write"
    remedy = "Make room on the disk, or make the data directory writable; nothing is half done."


class StatesRemovedError(DataDirectoryError):
    """Instances are in states that their tables no longer have; every state is listed."""

    code = "states-removed"
    remedy = (
        "See 'community-archives migrate --plan', then let 'community-archives migrate --apply'"
        " move them."
    )


class CommandUnansweredError(DataDirectoryError):
    """The process that holds the data directory did not answer in time. The command stays."""

    code = "command-unanswered"
    remedy = "See whether that process is well, then ask again with the same command id."


class WorkFailedError(CommunityArchivesError):
    """What was asked for was begun and has failed for now; nothing is half done."""

    code = "work-failed"
    remedy = "See 'community-archives why'; 'run' tries it again by itself."


class KeyFileError(CommunityArchivesError):
    """A private key cannot be used as it lies there. The key itself is never shown."""

    code = "key-file"


class ArchiveError(CommunityArchivesError):
    """Bytes do not have the form that they claim."""

    code = "archive"


class ArchiveInvalidError(ArchiveError):
    """An archive breaks the format or contradicts its index entry."""

    code = "archive-invalid"


class IndexInvalidError(ArchiveError):
    """An index breaks the format or points outside its data."""

    code = "index-invalid"


class ArchivesNotFoundError(ArchiveError):
    """There are no archives where they were looked for."""

    code = "archives-not-found"
    remedy = "Name a folder with the files data and index, or a .torrent beside them."


class TorrentInvalidError(ArchiveError):
    """A .torrent is malformed, or not one of community archives."""

    code = "torrent-invalid"


class MagnetInvalidError(ArchiveError):
    """A magnet link is malformed, or names no single v1 info-hash."""

    code = "magnet-invalid"


class AnnouncementInvalidError(ArchiveError):
    """An announcement, or another signed message that speaks of links, has not its form."""

    code = "announcement-invalid"


class RatchetKeyMissingError(ArchiveError):
    """The archive or index is encrypted with a key that is not here yet."""

    code = "ratchet-key-missing"
    remedy = "Wait for the community's key, or import it."


class LinkRefusedError(CommunityArchivesError):
    """A link is well formed and changes nothing. ``reason`` is what is counted, if it is at all."""

    code = "link-refused"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        place: str = "",
        remedy: str = "",
        is_counted: bool = True,
    ) -> None:
        super().__init__(message, place=place, remedy=remedy)
        self.reason = reason or message
        self.is_counted = is_counted


class ExportInvalidError(CommunityArchivesError):
    """A chat export cannot be imported as it is; its place is file and position."""

    code = "export-invalid"


class CarrierError(CommunityArchivesError):
    """The network of files did not do what was asked."""

    code = "carrier"


class ContentDamagedError(CarrierError):
    """The content's pieces do not match what was published."""

    code = "content-damaged"


class ListenError(CarrierError):
    """The port on which others are to reach this node cannot be had."""

    code = "listen"
    remedy = "End what uses the port, choose another, or 0 for a free one."


class LocatorInvalidError(CarrierError):
    """A locator can never name anything on this network."""

    code = "locator-invalid"
    remedy = "Copy the whole link, or wait for the next one."


class NoPeersError(CarrierError):
    """Nobody who has the content can be reached."""

    code = "no-peers"


class NoPeerSourceError(NoPeersError):
    """There is no way to hear of anybody who could have it."""

    code = "no-peer-source"
    remedy = "Name a tracker or a peer, or let the node reach further."


class MessagingError(CommunityArchivesError):
    """The network of messages did not take or give a message."""

    code = "messaging"


class MessageTooLongError(MessagingError):
    """The nodes of the network would not take so long a message; none was sent."""

    code = "message-too-long"
    remedy = "Send less at once; or raise the limit, if every node on the way takes more."
