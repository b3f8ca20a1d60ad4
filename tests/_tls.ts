/**
 * A certificate for `localhost` and 127.0.0.1, which nobody trusts but our tests, valid
 * for a hundred years; the key next to it is therefore no secret.
 *
 * openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 \
 *   -subj /CN=tcplab-test -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
 *   -addext basicConstraints=critical,CA:FALSE
 */

/** The certificate, PEM. */
export const cert = `-----BEGIN CERTIFICATE-----
MIIBnTCCAUKgAwIBAgIUGuZ4+fRC0b2aqQMJ8jhp6cQdGJEwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLdGNwbGFiLXRlc3QwIBcNMjYxMTIzMDMyODM0WhgPMjEyNjEw
MzAwMzI4MzRaMBYxFDASBgNVBAMMC3RjcGxhYi10ZXN0MFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAEW6wlPmIab+AGf8mxTHKT4SUfghQwCaPbBtEMvvlpIcFLjp+u
yknN6yxcn8Umn9qbtzs4x/NCb57dF74fkxzBGKNsMGowHQYDVR0OBBYEFEvWoL+R
ZknPMIoFHV2pIx6CbRldMB8GA1UdIwQYMBaAFEvWoL+RZknPMIoFHV2pIx6CbRld
MBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAMBgNVHRMBAf8EAjAAMAoGCCqG
SM49BAMCA0kAMEYCIQDS76fEqX1UnMU9FGSOSHRiTr0MLWYpgesvdwT18einBQIh
AOL2soxbZF3ETGOn01vqWNF+8gyR3XaCmOv4UzXCO74o
-----END CERTIFICATE-----
`;

/** Its key, PEM. */
export const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgsalH3U49UFLzl9NA
jlaEICRk1KpBVg8Is4nv2Jtw+EuhRANCAARbrCU+Yhpv4AZ/ybFMcpPhJR+CFDAJ
o9sG0Qy++WkhwUuOn67KSc3rLFyfxSaf2pu3OzjH80Jvnt0Xvh+THMEY
-----END PRIVATE KEY-----
`;
