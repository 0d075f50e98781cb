//! The Lua scripts, each an atomic operation. A key that holds data of another type is treated as missing.

use std::sync::LazyLock;

use fred::types::scripts::Script;

/// Takes the free leases of several users with one token. Returns one result for each. A lease without an expiry was
/// not set by this service and is replaced.
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

/// Stores a user if the lease still contains the token.
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

/// Stores a user without checking the lease. Only for the test that shows what the lease prevents.
#[cfg(feature = "removable-guards")]
pub(super) static FILL_UNLEASED: LazyLock<Script> = LazyLock::new(|| {
    Script::from_lua(
        r"
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1",
    )
});

/// Deletes users below a revision, voids their leases and publishes the messages to the replicas. It allocates no
/// memory, so it works in a full Redis.
///
/// KEYS: user and lease of each. ARGV: the channel; then revision and message of each.
pub(super) static INVALIDATE: LazyLock<Script> = LazyLock::new(|| {
    Script::from_lua(
        r"
for i = 1, #KEYS / 2 do
  local user, lease = KEYS[2 * i - 1], KEYS[2 * i]
  local head = redis.pcall('GETRANGE', user, 0, 255)
  local revision = type(head) == 'string' and tonumber(string.match(head, '^%S+ %S+ %S+ (%d+) %S+\n'))
  if not revision or revision < tonumber(ARGV[2 * i]) then
    redis.call('DEL', user)
  end
  redis.call('DEL', lease)
  redis.call('PUBLISH', ARGV[1], ARGV[2 * i + 1])
end
return 1",
    )
});

/// Returns the current epoch. Starts a new one at a position if the epoch is missing, malformed or of another run of the
/// server.
///
/// KEYS: epoch, position. ARGV: the prefix of the epochs of this run, a new epoch, the position at which it starts; the
/// prefix of the channels to which the sessions of an epoch subscribe, or nothing if the prefix of the epochs is enough.
pub(super) static JOIN: LazyLock<Script> = LazyLock::new(|| {
    Script::from_lua(
        r"
local epoch = redis.pcall('GET', KEYS[1])
local position = redis.pcall('GET', KEYS[2])
if type(epoch) == 'string' and string.sub(epoch, 1, #ARGV[1]) == ARGV[1] and not string.find(epoch, '[^%w/-]')
  and type(position) == 'string'
  and (ARGV[4] == '' or redis.call('PUBSUB', 'NUMSUB', ARGV[4] .. epoch)[2] > 0) then
  return epoch
end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[3])
return ARGV[2]",
    )
});

/// Ends the epoch and tells the replicas to clear their caches.
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

/// Stores the position up to which the users of an epoch have been corrected.
///
/// KEYS: epoch, position. ARGV: epoch, position.
pub(super) static SAVE_POSITION: LazyLock<Script> = LazyLock::new(|| {
    Script::from_lua(
        r"
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[2], ARGV[2])
return 1",
    )
});
