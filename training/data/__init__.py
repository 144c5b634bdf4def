"""Data sets, their readers, augmentation."""
