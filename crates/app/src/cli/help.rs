//! The examples in the help of each command. A test parses each of them.

pub(super) const USER_SERVICE: &str = "\
Examples:
  user-service dev                          # try it, with nothing configured
  user-service check-settings               # validate the settings
  user-service                              # serve
  user-service user create ann ann@example.org --role admin   # create the first administrator
  user-service user export > users.ndjson   # all users, one JSON object per line
  user-service token create --name posts --scope users:read --expires 90d   # give a service access
  user-service user import --help           # details of a command";

pub(super) const SERVE: &str = "\
Examples:
  user-service serve
  PORT=8080 LOG_LEVEL=debug user-service serve
  CONFIG_FILE=/etc/user-service.toml user-service serve";

pub(super) const DEV: &str = "\
Examples:
  user-service dev
  PORT=5001 user-service dev";

pub(super) const MIGRATE: &str = "\
Examples:
  user-service migrate status
  user-service migrate up";

pub(super) const MIGRATE_UP: &str = "\
Examples:
  user-service migrate up
  DATABASE_URI=postgresql://owner@db/users user-service migrate up   # as a role that may change the schema";

pub(super) const MIGRATE_STATUS: &str = "\
Examples:
  user-service migrate status || user-service migrate up";

pub(super) const CHECK_SETTINGS: &str = "\
Examples:
  user-service check-settings
  CONFIG_FILE=new.toml user-service check-settings   # before a rollout";

pub(super) const HEALTHCHECK: &str = "\
Examples:
  user-service healthcheck && echo alive
  PORT=8080 user-service healthcheck";

pub(super) const OPENAPI: &str = "\
Examples:
  user-service openapi > openapi.json
  user-service openapi --3.0 > openapi-3.0.json";

pub(super) const ASYNCAPI: &str = "\
Examples:
  user-service asyncapi > asyncapi.json";

pub(super) const EVENTS: &str = "\
Examples:
  user-service events tail --token-file events.token
  user-service events tail --help";

pub(super) const EVENTS_TAIL: &str = "\
Examples:
  user-service token create --name tail --scope events:read --expires 1d > events.token
  user-service events tail --token-file events.token                       # later events
  user-service events tail --token-file events.token --from oldest > events.ndjson
  user-service events tail --token-file events.token --types user.deleted,user.erased | jq -r .subject
  user-service events tail --token-file /run/secrets/events --url https://api.example.org/people";

pub(super) const PURGE: &str = "\
Examples:
  user-service purge
  user-service purge | awk '$1 == \"users\" { print $2 }'   # how many users were removed";

pub(super) const COMPLETIONS: &str = "\
Examples:
  user-service completions bash > ~/.local/share/bash-completion/completions/user-service
  user-service completions zsh > ~/.zfunc/_user-service    # a folder in fpath, before compinit
  user-service completions fish > ~/.config/fish/completions/user-service.fish";

pub(super) const CACHE: &str = "\
Examples:
  user-service cache clear";

pub(super) const CACHE_CLEAR: &str = CACHE;

pub(super) const USER: &str = "\
Examples:
  user-service user get ann
  user-service user list --status suspended
  user-service user create ann ann@example.org --role admin
  user-service user suspend ann --reason 'spam' --until 2027-01-31T12:00:00Z
  user-service user import users.ndjson --dry-run
  user-service user export > users.ndjson
  user-service user grant-role ann admin";

pub(super) const USER_GET: &str = "\
Examples:
  user-service user get 0199b8f2-7c1e-7000-8000-000000000000
  user-service user get Ann.Lee
  user-service user get ann@example.org
  user-service user get external:42          # by external_id, the older id that the platform uses
  user-service user get ann | jq .roles";

pub(super) const USER_CREATE: &str = "\
Examples:
  user-service user create ann ann@example.org
  user-service user create ann ann@example.org --name Ann --role admin | jq -r .id
  user-service user create ann ann@example.org --password-stdin";

pub(super) const USER_LIST: &str = "\
Examples:
  user-service user list                                  # the newest 50
  user-service user list -q lee --limit 10
  user-service user list --role admin --sort username
  user-service user list --status deleted --updated-since 2026-11-01T00:00:00Z
  user-service user list --status suspended -n 100000 --json | jq -r .email";

pub(super) const USER_IMPORT: &str = "\
A file with two users, the second with status and creation time from another system:
  {\"username\":\"ann\",\"email\":\"ann@example.org\",\"profile\":{\"name\":\"Ann Lee\"}}
  {\"username\":\"bob\",\"email\":\"bob@example.org\",\"external_id\":\"42\",\"status\":\"suspended\",\"created_at\":\"2019-05-04T12:00:00Z\"}

Examples:
  user-service user import users.ndjson --dry-run                       # print the changes only
  user-service user import users.ndjson --results results.ndjson
  user-service user import users.ndjson --results results.ndjson --resume   # after an interruption
  grep refused results.ndjson                                           # refused lines with reasons
  user-service user import users.ndjson --match-by email --dry-run      # match existing users by email
  zcat users.ndjson.gz | user-service user import -
  DATABASE_URI=sqlite:///old.db user-service user export | user-service user import -";

pub(super) const USER_EXPORT: &str = "\
Examples:
  user-service user export > users.ndjson
  user-service user export --status active,suspended,deleted | gzip > all-users.ndjson.gz
  user-service user export --status suspended | jq -r .id";

pub(super) const USER_GRANT_ROLE: &str = "\
Examples:
  user-service user grant-role ann admin
  user-service user grant-role ann@example.org support";

pub(super) const USER_REVOKE_ROLE: &str = "\
Examples:
  user-service user revoke-role ann admin
  user-service user revoke-role ann@example.org support | jq .roles";

pub(super) const USER_SUSPEND: &str = "\
Examples:
  user-service user suspend ann
  user-service user suspend external:42 | jq -r .status";

pub(super) const USER_ACTIVATE: &str = "\
Examples:
  user-service user activate ann";

pub(super) const USER_DELETE: &str = "\
Examples:
  user-service user delete ann
  user-service user delete 0199b8f2-7c1e-7000-8000-000000000000 --erase   # permanently";

pub(super) const USER_RELEASE_NAME: &str = "\
Examples:
  user-service user release-name ann
  user-service user release-name Ann.Lee";

pub(super) const USER_LOCKOUT: &str = "\
Examples:
  user-service user lockout ann
  user-service user lockout ann@example.org";

pub(super) const USER_UNLOCK: &str = "\
Examples:
  user-service user unlock ann";

pub(super) const TOKEN: &str = "\
Examples:
  user-service token create --name posts --scope users:read --expires 90d
  user-service token list
  user-service token revoke 0199b8f2-7c1e-7000-8000-00000000000a";

pub(super) const TOKEN_CREATE: &str = "\
Examples:
  user-service token create --name posts --scope users:read --expires 90d
  user-service token create --name auth --scope users:read,credentials:verify --expires 52w
  user-service token create --name deployer --scope tokens:admin --scope users:read --expires never
  user-service token create --name posts --scope users:read --expires 90d > posts.token   # only the token
  user-service token create --name posts --scope users:read --expires 90d --json | jq -r .id";

pub(super) const TOKEN_LIST: &str = "\
Examples:
  user-service token list
  user-service token list | jq -r 'select(.name == \"posts\") | .last_used_at'
  user-service token list --json";

pub(super) const TOKEN_REVOKE: &str = "\
Examples:
  user-service token revoke 0199b8f2-7c1e-7000-8000-00000000000a";
