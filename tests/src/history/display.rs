//! Formats violations.

use std::fmt;

use super::verdict::{
    BackwardRead, DoubledWrite, FailedRequest, LostWrite, StaleRead, TornRead, VisibleRefusal,
    millis,
};

impl fmt::Display for LostWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user,
            mark,
            version,
            missing,
        } = self;
        write!(
            f,
            "user {user}, version {version}, mark {mark:?}: missing in {missing}"
        )
    }
}

impl fmt::Display for StaleRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user,
            client,
            replica,
            ..
        } = self;
        let (at, seen, age) = (millis(self.at), version(self.seen), millis(self.age));
        write!(
            f,
            "user {user}, client {client} at replica {replica} at {at}: saw {seen}, {age} too old"
        )?;
        match &self.period {
            Some(period) => write!(f, " ({period})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for BackwardRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user,
            client,
            replica,
            before,
            ..
        } = self;
        let (at, seen) = (millis(self.at), version(self.seen));
        write!(
            f,
            "user {user}, client {client} at replica {replica} at {at}: saw {seen} after version {before}"
        )
    }
}

impl fmt::Display for VisibleRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user,
            mark,
            version,
            seen_by,
        } = self;
        write!(
            f,
            "user {user}, version {version}, mark {mark:?}: seen by {seen_by}"
        )
    }
}

impl fmt::Display for DoubledWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, other] = &self.acknowledged;
        write!(f, "user {}: {one}, and {other}", self.user)
    }
}

impl fmt::Display for TornRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "user {}, version {}: {}",
            self.user, self.version, self.what
        )
    }
}

impl fmt::Display for FailedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user,
            replica,
            reason,
            ..
        } = self;
        let kind = if self.is_write { "write" } else { "read" };
        let at = millis(self.at);
        write!(
            f,
            "user {user}, {kind} at replica {replica} at {at}: {reason}"
        )
    }
}

fn version(seen: Option<i64>) -> String {
    seen.map_or_else(
        || "no user".to_owned(),
        |version| format!("version {version}"),
    )
}
