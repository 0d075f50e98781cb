//! Counts relationships again, some users at a time, and corrects what was counted wrongly.
//!
//! Where all goes well nothing is wrong. A release that knows nothing of relationships may suspend, delete and erase
//! users during a rollout, a hand may change rows, and a defect may count wrongly: this finds it and tells.
//!
//! By how much a count is wrong does not change while others write, whose writes change what there is and what is counted
//! alike: what was found of one moment is put right at a later one. It is put right once, since each correction counts up
//! the number of the corrections that it was found at.

mod claim;
mod correct;
mod look;

use user_domain::StoreError;
use user_domain::ports::Recounted;
use user_domain::values::Timestamp;

use crate::guards::Guards;
use crate::sea_orm::pool::Pool;
use look::Looked;

/// Claims the next users, looks at them, and corrects what is wrong.
pub(crate) async fn recount(
    reads: &Pool,
    writes: &Pool,
    guards: Guards,
    at: Timestamp,
) -> Result<Recounted, StoreError> {
    if !claim::is_due(reads, at).await? {
        return Ok(Recounted::default());
    }
    let Some(claimed) = claim::claim(writes, at).await? else {
        return Ok(Recounted::default());
    };
    let mut ids = claimed.users.clone();
    ids.extend(claim::strangers(reads, &claimed).await?);
    let mut looked = look::look(reads, &ids).await?;
    for one in looked.iter_mut().filter(|one| one.is_beyond()) {
        *one = look::look_through(reads, one.user).await?;
    }
    let mut recounted = Recounted {
        users: u64::try_from(claimed.users.len()).unwrap_or(u64::MAX),
        has_more: claimed.has_more,
        ..Recounted::default()
    };
    correct::counts(writes, &looked, &mut recounted).await?;
    for one in looked.iter().filter(|one| one.is_out_of_step()) {
        correct::presence(writes, guards, one, at, &mut recounted).await?;
    }
    Ok(recounted)
}

impl Looked {
    /// Tells whether follows say of the user what it is not, and nobody is going to settle that.
    fn is_out_of_step(&self) -> bool {
        let is_told_wrongly = self.outgoing.wrong + self.incoming.wrong > 0;
        !self.is_unsettled && (is_told_wrongly || !self.is_there)
    }
}
