//! What Redis does in one step. Whatever stands under a key by mistake, of whichever type, is taken for nothing.

use std::sync::LazyLock;

use fred::types::scripts::Script;

/// Takes the leases of users that nobody has: one token for all, one answer each. A lease without an end is not ours.
///
/// KEYS: the leases. ARGV: token, milliseconds.
pub(super) static LEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::from_lua(
        r"
local taken = {}
for i, lease in ipairs(KEYS) do
  if redis.call('PTTL', lease) == -1 then
    redis.call('DEL', lease)
  end
  taken[i] = redis.call('SET', lease, ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
end
return taken",
    )
});

/// Fills a user in, if the lease is still the filler's.
///
/// KEYS: user, lease. ARGV: token, value, milliseconds.
pub(super) static FILL: LazyLock<Script> = LazyLock::new(|| {
    Script::from_lua(
        r"
if redis.pcall('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1",
    )
});

/// Fills a user in whatever has happened to the lease: only for the test that shows what the lease is for.
#[cfg(feature = "removable-guards")]
pub(super) static FILL_UNLEASED: LazyLock<Script> = LazyLock::new(|| {
    Script::from_lua(
        r"
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1",
    )
});

/// Takes out users below a version and voids their leases, and tells the replicas. It needs no memory, so that it works
/// where Redis has none left.
///
/// KEYS: user and lease of each. ARGV: the channel; then version and news of each.
pub(super) static MARK: LazyLock<Script> = LazyLock::new(|| {
    Script::from_lua(
        r"
for i = 1, #KEYS / 2 do
  local user, lease = KEYS[2 * i - 1], KEYS[2 * i]
  local head = redis.pcall('GETRANGE', user, 0, 255)
  local version = type(head) == 'string' and tonumber(string.match(head, '^%S+ %S+ %S+ (%d+) %S+\n'))
  if not version or version < tonumber(ARGV[2 * i]) then
    redis.call('DEL', user)
  end
  redis.call('DEL', lease)
  redis.call('PUBLISH', ARGV[1], ARGV[2 * i + 1])
end
return 1",
    )
});

/// Gives the epoch of the server that answers, beginning one at a position if there is none of this server, or none that
/// could be ours.
///
/// KEYS: epoch, position. ARGV: what an epoch of this server begins with, a new epoch, the position to begin it at.
pub(super) static JOIN: LazyLock<Script> = LazyLock::new(|| {
    Script::from_lua(
        r"
local epoch = redis.pcall('GET', KEYS[1])
local position = redis.pcall('GET', KEYS[2])
if type(epoch) == 'string' and string.sub(epoch, 1, #ARGV[1]) == ARGV[1] and not string.find(epoch, '[^%w/-]')
  and type(position) == 'string' then
  return epoch
end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[3])
return ARGV[2]",
    )
});

/// Begins a new epoch whatever there is, and tells the replicas to forget everything.
///
/// KEYS: epoch, position. ARGV: the epoch to end, empty for any; the channel.
pub(super) static CLEAR: LazyLock<Script> = LazyLock::new(|| {
    Script::from_lua(
        r"
if ARGV[1] ~= '' and redis.pcall('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('PUBLISH', ARGV[2], 'flush')
return 1",
    )
});

/// Notes how far the users of an epoch have been corrected.
///
/// KEYS: epoch, position. ARGV: epoch, position.
pub(super) static ADVANCE: LazyLock<Script> = LazyLock::new(|| {
    Script::from_lua(
        r"
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[2], ARGV[2])
return 1",
    )
});
