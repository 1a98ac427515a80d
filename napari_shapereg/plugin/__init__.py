"""The napari plugin: readers, writers, sample data, and the docks that register and inspect."""
