//! Reads the members of a JSON object into the fields of an input.

use std::str::FromStr;

use serde_json::{Map, Value};
use user_domain::input::FieldInput;
use user_domain::{Fault, Secret, Violation};

use crate::problem::MAX_FAULTS;

/// The members of a JSON object. A reader takes the known ones by name; [`Members::finish`] reports the others.
pub(super) struct Members {
    unread: Map<String, Value>,
    /// Whether null was sent instead of the object. Each member is then null.
    is_null: bool,
    /// The path of the object in the body.
    path: Vec<String>,
    faults: Vec<Fault>,
}

impl Members {
    /// Creates a reader of the object at a path in the body.
    pub(super) fn new(members: Map<String, Value>, path: &[&str]) -> Self {
        Self {
            unread: members,
            is_null: false,
            path: path.iter().map(|step| (*step).to_owned()).collect(),
            faults: Vec::new(),
        }
    }

    /// Takes a field and reads its value, unless it is null.
    pub(super) fn field<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value) -> Result<T, Violation>,
    ) -> FieldInput<T> {
        match self.unread.shift_remove(name) {
            None if self.is_null => FieldInput::Null,
            None => FieldInput::Absent,
            Some(Value::Null) => FieldInput::Null,
            Some(value) => read(value).into(),
        }
    }

    /// Takes a field with a text and parses it.
    pub(super) fn text<T: FromStr<Err = Violation>>(&mut self, name: &str) -> FieldInput<T> {
        self.field(name, |value| text(&value)?.parse())
    }

    /// Takes a field with a text that must not appear in logs.
    pub(super) fn secret(&mut self, name: &str) -> FieldInput<Secret> {
        self.field(name, |value| Ok(text(&value)?.into()))
    }

    /// Takes a field that is true or false.
    pub(super) fn flag(&mut self, name: &str) -> FieldInput<bool> {
        let read = |value: Value| value.as_bool().ok_or(wrong_type("true or false"));
        self.field(name, read)
    }

    /// Takes a field with an object.
    pub(super) fn object(&mut self, name: &str) -> FieldInput<Map<String, Value>> {
        self.field(name, object)
    }

    /// Takes an object and reads its members. Null instead of the object is null for each of them.
    pub(super) fn nested<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let object = self.object(name);
        let is_null = object == FieldInput::Null;
        let members = match object {
            FieldInput::Value(members) => members,
            FieldInput::Absent | FieldInput::Null => Map::new(),
            FieldInput::Invalid(violation) => {
                self.add_fault(&[name], &violation);
                Map::new()
            }
        };
        self.inner(&[name], members, is_null, read)
    }

    /// Takes a member that must be present.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value) -> Result<T, Violation>,
    ) -> Option<T> {
        if !self.unread.contains_key(name) {
            self.add_fault(&[name], &Violation::new("required", "Is required."));
        }
        self.present(name, read)
    }

    /// Takes a member that must not be null.
    pub(super) fn present<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value) -> Result<T, Violation>,
    ) -> Option<T> {
        let value = self.unread.shift_remove(name)?;
        read(value)
            .map_err(|violation| self.add_fault(&[name], &violation))
            .ok()
    }

    /// Takes a member whose null means the same as its absence.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value) -> Result<T, Violation>,
    ) -> Option<T> {
        if self.unread.get(name) == Some(&Value::Null) {
            self.unread.shift_remove(name);
        }
        self.present(name, read)
    }

    /// Takes a list of texts and reads at most `limit` of its items. An item that is no text is a fault.
    pub(super) fn texts(&mut self, name: &str, limit: usize) -> Option<Vec<String>> {
        if !self.unread.contains_key(name) {
            return None;
        }
        let items = self.present(name, |value| array(value, "an array of strings"));
        let mut texts = Vec::new();
        for (index, item) in items.into_iter().flatten().take(limit).enumerate() {
            match owned_text(item) {
                Ok(text) => texts.push(text),
                Err(violation) => self.add_fault(&[name, &index.to_string()], &violation),
            }
        }
        Some(texts)
    }

    /// Takes a required list of objects and reads at most `limit` of them.
    pub(super) fn objects<T>(
        &mut self,
        name: &str,
        limit: usize,
        read: impl Fn(&mut Self) -> Option<T>,
    ) -> Vec<T> {
        let items = self.required(name, |value| array(value, "an array of objects"));
        let mut results = Vec::new();
        for (index, item) in items.into_iter().flatten().take(limit).enumerate() {
            let path = [name, &index.to_string()];
            match object(item) {
                Ok(members) => results.extend(self.inner(&path, members, false, &read)),
                Err(violation) => self.add_fault(&path, &violation),
            }
        }
        results
    }

    fn inner<T>(
        &mut self,
        path: &[&str],
        members: Map<String, Value>,
        is_null: bool,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let mut inner = Self::new(members, path);
        inner.is_null = is_null;
        inner.path.splice(0..0, self.path.iter().cloned());
        let result = read(&mut inner);
        let room = MAX_FAULTS.saturating_sub(self.faults.len());
        self.faults.extend(inner.finish(&[]).into_iter().take(room));
        result
    }

    /// Returns the faults of the members that could not be read, and of those that the caller must not send; at most
    /// [`MAX_FAULTS`].
    pub(super) fn finish(mut self, read_only: &[&str]) -> Vec<Fault> {
        let unknown = Violation::new("unknown_field", "Is not a field.");
        let rule = "Is set by the service and cannot be written.";
        let not_writable = Violation::new("read_only", rule);
        for (name, _) in std::mem::take(&mut self.unread) {
            let is_read_only = read_only.contains(&name.as_str());
            let violation = if is_read_only {
                &not_writable
            } else {
                &unknown
            };
            self.add_fault(&[&name], violation);
        }
        self.faults
    }

    /// Adds a fault of a member, by its path in this object.
    pub(super) fn add_fault(&mut self, path: &[&str], violation: &Violation) {
        if self.faults.len() < MAX_FAULTS {
            let path = path.iter().map(|step| (*step).to_owned());
            let path = self.path.iter().cloned().chain(path).collect();
            self.faults.push(Fault::at(path, violation));
        }
    }
}

/// Returns the text of a value that must be one.
pub(super) fn text(value: &Value) -> Result<&str, Violation> {
    value.as_str().ok_or(wrong_type("a string"))
}

/// Like [`text`], as an owned text.
pub(super) fn owned_text(value: Value) -> Result<String, Violation> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(wrong_type("a string")),
    }
}

/// Returns the items of a value that must be an array. `expected` names the array and the type of its items.
pub(super) fn array(value: Value, expected: &str) -> Result<Vec<Value>, Violation> {
    match value {
        Value::Array(items) => Ok(items),
        _ => Err(wrong_type(expected)),
    }
}

fn object(value: Value) -> Result<Map<String, Value>, Violation> {
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(wrong_type("an object")),
    }
}

/// The violation of a value of another type. `expected` names the expected type with its article.
pub(super) fn wrong_type(expected: &str) -> Violation {
    Violation::new("type", format!("Must be {expected}."))
}
