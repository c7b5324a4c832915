// see include/CLibCrypto.h
