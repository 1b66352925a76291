"""What changed, in one file that can be carried: private, mirrored and pinned things with their pages and facts, signed or not, taken in whole or not at all."""
