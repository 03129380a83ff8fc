"""The ablation of the papers, from single frames to BoxMask, trained and measured."""
