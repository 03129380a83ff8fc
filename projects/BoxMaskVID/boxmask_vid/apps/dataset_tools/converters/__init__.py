"""Converters of annotations to COCO-VID JSON.

They raise ``FileNotFoundError`` if a folder or a list does not exist, and ``InputError`` if the
annotations or the frames are not valid.
"""
