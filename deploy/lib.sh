# shellcheck shell=bash
# shellcheck disable=SC2016,SC2034 # texts for another shell; variables for those who source this
# What the scripts beside this file share. They source it; it does nothing by itself.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
bin=${AGORA_BIN_DIR:-${CARGO_TARGET_DIR:-$root/target}/release}
services=(command-api read-api projectors process-managers)

say() { printf '%s\n' "$*"; }
step() { printf '\033[1m▸ %s\033[0m\n' "$*"; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# ── What the machine must have ───────────────────────────────────────────────────────────────

as_root() {
    if [[ $EUID -eq 0 ]]; then "$@"; else sudo "$@"; fi
}

# find_tools: looks for what Debian keeps out of the PATH, and for rustup's folder.
find_tools() {
    [[ -d ${HOME:-/root}/.cargo/bin ]] && PATH=$PATH:${HOME:-/root}/.cargo/bin
    PATH=$PATH:/usr/sbin
    local dir
    dir=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
    [[ -d $dir ]] && PATH=$dir:$PATH
    export PATH
}

# ensure_tools NAME…: installs what is missing of: postgres nats compiler curl shellcheck python3
# xmllint pdftotext qpdf
ensure_tools() {
    find_tools
    local tool packages=()
    [[ -n ${AGORA_BIN_DIR:-} ]] || command -v cargo >/dev/null ||
        fail "there is no Rust toolchain: see https://rustup.rs, then run this again"
    for tool; do
        case $tool in
        postgres) command -v postgres >/dev/null || packages+=(postgresql) ;;
        nats) command -v nats-server >/dev/null || packages+=(nats-server) ;;
        compiler)
            command -v cc >/dev/null || packages+=(gcc libc6-dev)
            command -v mold >/dev/null || packages+=(mold)
            ;;
        xmllint) command -v xmllint >/dev/null || packages+=(libxml2-utils) ;;
        pdftotext) command -v pdftotext >/dev/null || packages+=(poppler-utils) ;;
        *) command -v "$tool" >/dev/null || packages+=("$tool") ;;
        esac
    done
    if [[ ${#packages[@]} -gt 0 ]]; then
        install_packages "${packages[@]}"
        find_tools
    fi
    # .cargo/config.toml asks for mold, which a compiler before gcc 12 cannot call.
    if command -v cc >/dev/null && ! cc -fuse-ld=mold -x c -o /dev/null - <<<'int main(void){return 0;}' 2>/dev/null; then
        export RUSTFLAGS=${RUSTFLAGS-}
    fi
}

# ensure_python_tool PROGRAM VERSION REQUIREMENT…: prints the path of a program from PyPI, in an
# environment of its own beside what cargo builds.
ensure_python_tool() {
    local program=$1 version=$2 folder
    shift 2
    folder=${CARGO_TARGET_DIR:-$root/target}/tools/$program-$version
    # What was cut off in the middle is made anew.
    if [[ ! -e $folder/made ]]; then
        step "installing $program $version" >&2
        # Debian keeps what `venv` needs in a package apart.
        python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv >&2
        rm -rf -- "$folder"
        if ! python3 -m venv "$folder" ||
            ! "$folder/bin/pip" install --quiet --disable-pip-version-check "$@" >&2; then
            fail "$program $version cannot be installed from PyPI"
        fi
        touch "$folder/made"
    fi
    echo "$folder/bin/$program"
}

# What makes requests from the OpenAPI documents.
ensure_schemathesis() {
    ensure_python_tool schemathesis 4.32.5 schemathesis==4.32.5
}

# A server that speaks S3.
ensure_s3_server() {
    ensure_python_tool moto_server 5.2.5 'moto[s3]==5.2.5' flask==3.1.3 flask-cors==6.0.5
}

# In a subshell, whose trap puts back what the machine had, on an interrupt too.
install_packages() (
    command -v apt-get >/dev/null || fail "please install: $* (this script knows only Debian's and Ubuntu's packages)"
    [[ $EUID -eq 0 ]] || command -v sudo >/dev/null || fail "please install, or run this as root: $*"
    step "installing $*"
    policy=/usr/sbin/policy-rc.d made_policy='' clusters=/etc/postgresql-common/createcluster.conf
    # shellcheck disable=SC2317 # the trap calls it
    put_back() {
        [[ -z $made_policy ]] || as_root rm -f "$policy"
        [[ ! -e $clusters.agora ]] || as_root mv -f "$clusters.agora" "$clusters"
    }
    trap put_back EXIT
    trap 'exit 130' INT TERM HUP
    # Packages must not start servers of their own: ours run beside them on other ports.
    if [[ ! -e $policy ]]; then
        made_policy=1
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    failed=''
    apt_get update -qq || failed=1
    if [[ -z $failed && " $* " == *" postgresql "* ]]; then
        apt_get install postgresql-common || failed=1
        # Nor a cluster that would start with the machine.
        [[ -e $clusters.agora ]] || as_root cp -p "$clusters" "$clusters.agora" || failed=1
        as_root sed -i 's/^#\? *create_main_cluster.*/create_main_cluster = false/' "$clusters" || failed=1
    fi
    [[ -n $failed ]] || apt_get install "$@" || failed=1
    [[ -z $failed ]] || fail "apt-get could not install: $*"
)

# apt_get install|update …: a mirror that fails once is asked again.
apt_get() {
    local verb=$1 attempt
    shift
    [[ $verb == install ]] && set -- -y -qq --no-install-recommends "$@"
    for attempt in 1 2 3; do
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$verb" "$@" >/dev/null && return
        sleep $((attempt * 5))
    done
    return 1
}

# build: all binaries of the workspace at once, so that no script builds libraries anew with other
# features. AGORA_BIN_DIR names a folder with binaries that are built already.
build() {
    [[ -z ${AGORA_BIN_DIR:-} ]] || return 0
    step "building (the first time takes some minutes)"
    (cd "$root" && cargo build --release --locked --workspace --bins)
}

# ── Small things ─────────────────────────────────────────────────────────────────────────────

secret() { head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port: one that nobody listens on now.
free_port() {
    local port
    until port=$((20000 + RANDOM % 12000)) && port_is_free "$port"; do :; done
    echo "$port"
}

# is_running PID WORD: whether the process lives and was started by a command with that word in it.
is_running() {
    [[ -n ${1:-} && -r /proc/$1/cmdline ]] && tr '\0' ' ' <"/proc/$1/cmdline" | grep -qF -- "$2"
}

# is_alive PID: also before it has become the command that it is to be; not as a zombie.
is_alive() { [[ -r /proc/$1/stat ]] && ! grep -q ') [ZX] ' "/proc/$1/stat" 2>/dev/null; }

# stop_process PID WORD SECONDS: asks it to end, waits, and ends it by force after that.
stop_process() {
    local pid=$1 word=$2 tenths=$(($3 * 10))
    is_running "$pid" "$word" || return 0
    kill -TERM "$pid" 2>/dev/null || true
    while is_running "$pid" "$word"; do
        if [[ $((tenths -= 1)) -le 0 ]]; then
            say "$word did not end by itself: killed"
            kill -KILL "$pid" 2>/dev/null || true
            tenths=50
        fi
        sleep 0.1
    done
}

# http_status HOST:PORT PATH
http_status() {
    curl -s -o /dev/null -m 3 -w '%{http_code}' "http://$1$2" 2>/dev/null || true
}

# with_login URL USER PASSWORD [DATABASE]: the same server under another name.
with_login() {
    [[ $1 =~ ^(postgres(ql)?://)([^@/]*@)?([^/?]*)(/[^?]*)?(\?.*)?$ ]] || fail "not a Postgres URL in DATABASE_URL or AGORA_VAULT_URL"
    local database=${BASH_REMATCH[5]}
    [[ -n ${4:-} ]] && database=/$4
    echo "${BASH_REMATCH[1]}$2:$3@${BASH_REMATCH[4]}$database${BASH_REMATCH[6]}"
}

# in_database URL NAME: the same server and login, another database.
in_database() {
    [[ $1 =~ ^([a-z]+://[^/?]*)(/[^?]*)?(\?.*)?$ ]] || fail "not a Postgres URL"
    echo "${BASH_REMATCH[1]}/$2${BASH_REMATCH[3]}"
}

database_of() {
    [[ $1 =~ ^[a-z]+://[^/?]*/([^?]+) ]] || fail "the Postgres URL names no database"
    echo "${BASH_REMATCH[1]}"
}

# address_of URL: host:port/database, without a login: what tells two databases apart.
address_of() {
    [[ $1 =~ ^[a-z]+://([^@/?]*@)?([^/?]*) ]] || fail "not a Postgres URL"
    local host=${BASH_REMATCH[2]} port='' database
    database=$(database_of "$1") || exit
    [[ ! $host =~ ^(.*):([0-9]+)$ ]] || host=${BASH_REMATCH[1]} port=${BASH_REMATCH[2]}
    # Both may stand behind the question mark instead.
    [[ ! $1 =~ [?\&]host=([^\&]+) ]] || host=${BASH_REMATCH[1]}
    [[ ! $1 =~ [?\&]port=([0-9]+) ]] || port=${BASH_REMATCH[1]}
    [[ -n $host && $host != localhost ]] || host=127.0.0.1
    echo "$host:${port:-5432}/$database"
}

# sql URL: runs what comes on standard input. The password goes by the environment, so that no list
# of processes shows it.
sql() {
    [[ $1 =~ ^([a-z]+://[^:/@]+)(:([^@/]*))?@(.*)$ ]] || fail "the Postgres URL names no user"
    local password=${BASH_REMATCH[3]//%/\\x}
    PGPASSWORD=$(printf '%b' "$password") psql -X -q -A -t -v ON_ERROR_STOP=1 -d "${BASH_REMATCH[1]}@${BASH_REMATCH[4]}" -f -
}

# with_password URL COMMAND ARGUMENT…: a client of Postgres, connected to it. The password goes by the
# environment here, too.
with_password() {
    [[ $1 =~ ^([a-z]+://[^:/@]+)(:([^@/]*))?@(.*)$ ]] || fail "the Postgres URL names no user"
    local password=${BASH_REMATCH[3]//%/\\x} url=${BASH_REMATCH[1]}@${BASH_REMATCH[4]} command=$2
    shift 2
    PGPASSWORD=$(printf '%b' "$password") "$command" --dbname="$url" "$@"
}

# ── Backups ──────────────────────────────────────────────────────────────────────────────────

# The file of erasures in the state folder (docs/erasure.md).
erasure_ledger=erasures.ledger

# vault_mark URL: how many keys there are, and which was the first: no key's row is ever removed, so these
# tell a vault and its later states from another vault.
vault_mark() {
    sql "$1" <<<"SELECT count(*) || ' ' || coalesce((
            SELECT subject || '/' || category || '/' || extract(epoch FROM created_at)
            FROM vault.subject_keys ORDER BY created_at, subject, category LIMIT 1), '')
        FROM vault.subject_keys"
}

# objects_folder HOME: where the files of exports are; nothing where that is no folder of this machine.
objects_folder() {
    case ${AGORA_OBJECTS_URL:-} in
    '') echo "$1/objects" ;;
    file:///*) echo "${AGORA_OBJECTS_URL#file://}" ;;
    esac
}

# ── A Postgres of our own ────────────────────────────────────────────────────────────────────

# as_database_user COMMAND…: Postgres refuses to run as root.
as_database_user() {
    if [[ $EUID -eq 0 ]]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

# postgres_folder PARENT: where the cluster of this state folder is, or may be.
postgres_folder() {
    if [[ -s $1/postgres.path ]]; then
        cat "$1/postgres.path"
    elif as_database_user test -x "$1"; then
        echo "$1/postgres"
    else
        # A checkout in a home directory that is closed to the user postgres (docs/adr/0009).
        echo "/var/lib/agora-$(printf '%s' "$1" | sha256sum | cut -c1-12)"
    fi
}

# make_postgres DIR PORT SUPERUSER PASSWORD durable|fast: builds in DIR.new, so that what stands in
# DIR is a whole cluster with our settings, whatever interrupts this.
make_postgres() {
    local made=$1 dir=$1.new port=$2 user=$3 password=$4 mode=$5 memory_mb compression
    [[ ! -e $made ]] || fail "$made is in the way: it is there, but no cluster can be read in it"
    rm -rf -- "$dir"
    mkdir -m 700 "$dir" || fail "$dir cannot be made"
    [[ $EUID -ne 0 ]] || chown postgres: "$dir"
    as_database_user sh -c 'umask 077; cat > "$1/password"' sh "$dir" <<<"$password"
    as_database_user initdb -D "$dir/data" -U "$user" --pwfile="$dir/password" -k -E UTF8 \
        --locale=C.UTF-8 --auth=scram-sha-256 >/dev/null || fail "initdb failed in $dir"
    as_database_user rm "$dir/password"
    memory_mb=$(($(awk '/^MemTotal/ {print $2}' /proc/meminfo) / 1024))
    # Events of new streams touch index pages at random, so that after a checkpoint most of the WAL is
    # images of pages, which lz4, where it was built in, compresses with less work than pglz.
    compression=on
    if as_database_user postgres -C wal_compression -c wal_compression=lz4 -D "$dir/data" >/dev/null 2>&1; then
        compression=lz4
    fi
    as_database_user sh -c 'cat >> "$1/data/postgresql.conf"' sh "$dir" <<CONF
# Agora's settings (deploy/lib.sh)
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
max_connections = 200
shared_buffers = '$((memory_mb / 6 < 1024 ? memory_mb / 6 : 1024))MB'
max_wal_size = '4GB'
min_wal_size = '512MB'
checkpoint_timeout = '15min'
wal_compression = $compression
random_page_cost = 1.1
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
# No statement, no parameter and no detail of an error may reach the log: they hold values.
log_error_verbosity = terse
log_min_error_statement = panic
log_min_duration_statement = -1
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_statement = 'none'
CONF
    if [[ $mode == fast ]]; then
        as_database_user sh -c 'cat >> "$1/data/postgresql.conf"' sh "$dir" <<CONF
# For tests: what a power cut takes is made again.
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 500
max_wal_size = '1GB'
# Erasures write over what is kept, of which there is nothing then.
wal_recycle = off
wal_init_zero = off
CONF
    fi
    mv -T "$dir" "$made"
}

postgres_pid() {
    as_database_user sh -c 'head -n 1 "$1/data/postmaster.pid" 2>/dev/null' sh "$1" || true
}

postgres_is_running() {
    is_running "$(postgres_pid "$1")" "$1/data"
}

start_postgres() {
    local port
    port=$(as_database_user sed -n 's/^port = //p' "$1/data/postgresql.conf")
    port_is_free "$port" || fail "something listens on port $port already: set AGORA_POSTGRES_PORT to another"
    as_database_user pg_ctl -D "$1/data" -l "$1/log" -w -t 60 start >/dev/null 9>&- ||
        fail "Postgres does not start; $1/log ends with: $(as_database_user tail -n 5 "$1/log")"
}

stop_postgres() {
    postgres_is_running "$1" || return 0
    as_database_user pg_ctl -D "$1/data" -w -t 60 -m fast stop >/dev/null ||
        as_database_user pg_ctl -D "$1/data" -w -t 60 -m immediate stop >/dev/null
}

# ── A NATS of our own ────────────────────────────────────────────────────────────────────────

# start_nats DIR PORT PASSWORD LOG: prints the pid.
start_nats() {
    local dir=$1 port=$2 password=$3 log=$4 pid tenths=100
    port_is_free "$port" || fail "something listens on port $port already: set AGORA_NATS_PORT to another"
    mkdir -p "$dir"
    (
        umask 077
        sed -e "s|@port@|$port|; s|@store@|$dir|; s|@password@|$password|" "$root/deploy/nats.conf" >"$dir/nats.conf"
    )
    setsid nats-server -c "$dir/nats.conf" >>"$log" 2>&1 </dev/null 9>&- &
    pid=$!
    while port_is_free "$port"; do
        is_alive "$pid" || fail "NATS does not start; $log ends with: $(tail -n 5 "$log")"
        if [[ $((tenths -= 1)) -le 0 ]]; then
            kill "$pid"
            fail "NATS does not listen on port $port after 10 s"
        fi
        sleep 0.1
    done
    echo "$pid"
}
