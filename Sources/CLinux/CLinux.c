// see include/CLinux.h
