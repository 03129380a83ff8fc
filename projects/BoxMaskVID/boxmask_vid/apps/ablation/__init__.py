"""The ladder of the papers, single frames to BoxMask, trained and measured."""
