use super::{LogEntry, State};
use crate::StoreError;
use crate::ports::{StoredServiceToken, TokenRevocation, TokenUse};
use crate::service_token::{AppliedToken, ServiceToken, TokenPosition};
use crate::values::{ServiceTokenId, TokenDigest};
use crate::write::{WriteContext, WriteError};

impl State {
    pub(in super::super) fn add_token(
        &mut self,
        issued: &AppliedToken,
        digest: &TokenDigest,
    ) -> Result<(), StoreError> {
        let token = issued.token.clone();
        if self.tokens.contains_key(&token.id) {
            return Err(StoreError::Internal("the id is taken".to_owned()));
        }
        let digest = *digest;
        self.tokens
            .insert(token.id, StoredServiceToken { token, digest });
        self.log(LogEntry::Token(issued.event.clone()));
        Ok(())
    }

    pub(in super::super) fn find_token(&self, id: ServiceTokenId) -> Option<StoredServiceToken> {
        self.tokens.get(&id).cloned()
    }

    pub(in super::super) fn list_tokens(
        &self,
        after: Option<TokenPosition>,
        limit: u16,
    ) -> Vec<ServiceToken> {
        let mut tokens: Vec<ServiceToken> = self
            .tokens
            .values()
            .map(|kept| kept.token.clone())
            .collect();
        tokens.retain(|token| after.is_none_or(|after| token.position() < after));
        tokens.sort_by_key(|token| std::cmp::Reverse(token.position()));
        tokens.truncate(limit.into());
        tokens
    }

    pub(in super::super) fn revoke_token(
        &mut self,
        id: ServiceTokenId,
        context: &WriteContext,
    ) -> Result<TokenRevocation, WriteError> {
        if self.replay(context)?.is_some() {
            return Ok(TokenRevocation::Replayed);
        }
        let kept = self.tokens.get_mut(&id).ok_or(WriteError::NotFound)?;
        let Some(applied) = kept.token.revoke(context) else {
            let token = kept.token.clone();
            self.record(id.as_uuid(), context);
            return Ok(TokenRevocation::Revoked(token));
        };
        kept.token = applied.token.clone();
        self.log(LogEntry::Token(applied.event));
        self.record(id.as_uuid(), context);
        Ok(TokenRevocation::Revoked(applied.token))
    }

    pub(in super::super) fn note_used(&mut self, uses: &[TokenUse]) {
        for TokenUse { id, at } in uses {
            if let Some(kept) = self.tokens.get_mut(id) {
                kept.token.last_used_at = kept.token.last_used_at.max(Some(*at));
            }
        }
    }
}
