"""The container: fields of the header, payload, checksum, metadata, limits."""
