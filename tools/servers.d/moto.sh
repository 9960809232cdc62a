# shellcheck shell=bash disable=SC2154
# moto is a second server that speaks SQS: it keeps nothing, but also has STS and
# IAM, and can be told to check signatures.

moto_home() { echo "$cache/moto-$(cksum <"$parts/moto.txt" | cut -d' ' -f1)"; }

moto_program() {
    if [ -x "$(moto_home)/bin/moto_server" ]; then
        echo "$(moto_home)/bin/moto_server"
    else
        command -v moto_server
    fi
}

moto_usable() { unprivileged "$(moto_program)" --help >/dev/null 2>&1; }

moto_packages() {
    moto_usable || /usr/bin/python3 -c 'import ensurepip' 2>/dev/null ||
        echo python3-venv
}

moto_fetch() {
    local home log
    ! moto_usable || return 0
    home=$(moto_home)
    prepare_cache .
    log=$home.log
    say "servers: fetching moto into $home"
    rm -rf "$home"
    (umask 022 && /usr/bin/python3 -m venv "$home" &&
        "$home/bin/pip" install -q --only-binary=:all: --no-cache-dir \
            -r "$parts/moto.txt") >"$log" 2>&1 9>&- || {
        rm -rf "$home"
        die 69 "moto could not be fetched from PyPI, see $log"
    }
}

moto_start() {
    mkdir -p "$data/moto"
    own "$data/moto"
    choose_port moto
    background moto "$(moto_program)" -H 127.0.0.1 -p "$(port_of moto)"
}

moto_running() { serves moto moto_server; }

# It takes its time for a farewell, and has nothing to say in it.
moto_stop() { hard=yes end_process moto moto_server; }

moto_url() { echo sqs://us-east-1/123456789012; }

moto_env() { echo "export ALEX_TEST_MOTO=http://127.0.0.1:$(port_of moto)"; }
