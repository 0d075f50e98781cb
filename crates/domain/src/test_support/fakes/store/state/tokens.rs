use super::{State, Told};
use crate::StoreError;
use crate::ports::{KeptToken, TokenUse};
use crate::service_token::{AppliedToken, ServiceToken};
use crate::values::{ServiceTokenId, TokenDigest};
use crate::write::WriteContext;

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
        self.tokens.insert(token.id, KeptToken { token, digest });
        self.number(Told::Token(issued.event.clone()));
        Ok(())
    }

    pub(in super::super) fn find_token(&self, id: ServiceTokenId) -> Option<KeptToken> {
        self.tokens.get(&id).cloned()
    }

    pub(in super::super) fn list_tokens(&self) -> Vec<ServiceToken> {
        let mut tokens: Vec<ServiceToken> = self
            .tokens
            .values()
            .map(|kept| kept.token.clone())
            .collect();
        tokens.sort_by_key(|token| std::cmp::Reverse((token.created_at, token.id)));
        tokens.truncate(ServiceToken::LISTED);
        tokens
    }

    pub(in super::super) fn revoke_token(
        &mut self,
        id: ServiceTokenId,
        context: &WriteContext,
    ) -> Option<ServiceToken> {
        let kept = self.tokens.get_mut(&id)?;
        let Some(applied) = kept.token.revoke(context) else {
            return Some(kept.token.clone());
        };
        kept.token = applied.token.clone();
        self.number(Told::Token(applied.event));
        Some(applied.token)
    }

    pub(in super::super) fn note_used(&mut self, uses: &[TokenUse]) {
        for TokenUse { id, at } in uses {
            if let Some(kept) = self.tokens.get_mut(id) {
                kept.token.last_used_at = kept.token.last_used_at.max(Some(*at));
            }
        }
    }
}
