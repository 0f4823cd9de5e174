"""The store of models: versions that never change, each told whole by its manifest, and a pointer to the one that serves.

    ROOT/models/NAME/VERSION/PART            a part of the model, in a native format
    ROOT/models/NAME/VERSION/manifest.json   written last: a folder without it is no version
    ROOT/models/NAME/serving.json            the versions that have served; the last of them serves

Whatever dies on the way, readers see the former version or the new one: a manifest and a pointer are written under another
name and moved into place. On a local disk the move is a rename, and on object stores a copy that shows whole or not at all;
on HDFS, where Arrow may remove the former file first, a reader can find none for a moment. Folders are never moved, since
object stores cannot. Two runs that promote at once wait for each other on a local disk (a lock); Arrow has no lock
elsewhere, and of two the later pointer stands, without the other in its history.

The hashes find what was damaged, or changed by somebody who could not change the manifest too. Whoever can still runs no
code of theirs: what may be loaded stands in lists (``native.py``), and pickle is not among it.
"""

from winnow.store.manifest import Card, Gate, Manifest, at_least, at_most
from winnow.store.models import ModelStore, Stored

__all__ = ["Card", "Gate", "Manifest", "ModelStore", "Stored", "at_least", "at_most"]
