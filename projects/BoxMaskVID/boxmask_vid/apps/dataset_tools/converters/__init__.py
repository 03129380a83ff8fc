"""Converters of data sets to COCO-VID JSON."""
