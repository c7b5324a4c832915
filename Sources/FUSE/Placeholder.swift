// FUSE
