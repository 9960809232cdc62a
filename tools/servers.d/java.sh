# shellcheck shell=bash disable=SC2154
# What the servers that run on Java share: jars from Maven Central, checked
# against NAME.jars (SHA-256 and path, one a line), kept in the cache.

maven=${ALEX_MAVEN_URL:-https://repo1.maven.org/maven2}

java_packages() {
    command -v java >/dev/null || echo default-jre-headless
    command -v curl >/dev/null || echo curl
}

# java_class_path NAME: its jars, in the order of its list.
java_class_path() {
    local path
    awk '{ print $2 }' "$parts/$1.jars" | while read -r path; do
        printf '%s/jars/%s:' "$cache" "${path##*/}"
    done
}

# A jar gets its name when it is whole and the right one, so a name is enough.
fetch_jar() { # fetch_jar SHA256 PATH
    local jar=$cache/jars/${2##*/}
    [ ! -s "$jar" ] || return 0
    curl -fsSL --retry 4 --connect-timeout 20 --speed-limit 1000 \
        --speed-time 30 -C - -o "$jar.part" "$maven/$2" 9>&- || return 1
    if ! echo "$1  $jar.part" | sha256sum --check --status; then
        rm -f "$jar.part"
        say "servers: ${2##*/} is not what $parts lists, discarded"
        return 1
    fi
    chmod a+r "$jar.part"
    mv "$jar.part" "$jar"
}

# java_fetch NAME: six at a time, and once more what failed.
java_fetch() {
    local sum path try at all
    all=$(wc -l <"$parts/$1.jars")
    say "servers: fetching $1, $all jars, from $maven into $cache"
    prepare_cache jars
    for try in 1 2; do
        at=0
        while read -r sum path; do
            at=$((at + 1))
            [ ! -t 2 ] || printf '\r%d of %d ' "$at" "$all" >&2
            [ "$(jobs -pr | wc -l)" -lt 6 ] || wait -n || true
            fetch_jar "$sum" "$path" &
        done <"$parts/$1.jars"
        wait
        [ ! -t 2 ] || echo >&2
        ! java_fetched "$1" || return 0
    done
    die 69 "$1 could not be fetched from $maven: check the network, or set \
ALEX_MAVEN_URL to a mirror; what came is kept in $cache"
}

java_fetched() {
    local path
    while read -r _ path; do
        [ -s "$cache/jars/${path##*/}" ] || return 1
    done <"$parts/$1.jars"
}

# java_command NAME MEGABYTES ARGUMENT...: into $java.  Quick to start, and
# nothing in the /tmp of others.
java_command() {
    local name=$1 heap=$2
    shift 2
    java=(java -Xms32m "-Xmx${heap}m" -XX:+UseSerialGC
        -XX:TieredStopAtLevel=1 -XX:-UsePerfData
        -Djava.io.tmpdir="$data/$name" -Djava.awt.headless=true
        -cp "$(java_class_path "$name")" "$@")
}
