//! The API's description.

/// Writes the description of the API below a base path.
pub fn openapi(base_path: &str) -> String {
    base_path.to_owned()
}
