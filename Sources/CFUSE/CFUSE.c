// see include/CFUSE.h
