// Nothing to compile: everything is in include/CFUSE.h; a C target needs one source file.
