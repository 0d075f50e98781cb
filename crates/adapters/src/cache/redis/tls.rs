//! The TLS settings of the client.

use std::path::Path;

use fred::types::config::TlsConnector;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::RedisError;
use super::options::RedisTls;

/// Returns a connector with the current content of the files. It trusts the certificate authorities in their file, or
/// else those of the machine.
pub(super) fn connector(tls: &RedisTls) -> Result<TlsConnector, RedisError> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = &tls.ca_file {
        for certificate in certificates(file)? {
            roots
                .add(certificate)
                .map_err(|error| unusable(file, &error))?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    let Some((certificate_file, key_file)) = &tls.client_files else {
        return Ok(config.with_no_client_auth().into());
    };
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| unusable(key_file, &error))?;
    config
        .with_client_auth_cert(certificates(certificate_file)?, key)
        .map(Into::into)
        .map_err(|error| unusable(certificate_file, &error))
}

/// Returns the certificates in a file, at least one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, RedisError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(file, &error))?;
    if certificates.is_empty() {
        return Err(unusable(file, &"the file contains none"));
    }
    Ok(certificates)
}

fn unusable(file: &Path, reason: &impl ToString) -> RedisError {
    RedisError::Certificates(file.display().to_string(), reason.to_string())
}
