// KeyManagement
