# shellcheck shell=bash disable=SC2154
# ElasticMQ speaks SQS, with the limits of AWS; it does not look at signatures.

elasticmq_packages() { java_packages; }

elasticmq_fetch() { java_fetched elasticmq || java_fetch elasticmq; }

elasticmq_start() {
    local at=$data/elasticmq
    mkdir -p "$at"
    choose_port elasticmq
    cat >"$at/elasticmq.conf" <<CONF
include classpath("application.conf")
node-address { host = "127.0.0.1", port = $(port_of elasticmq) }
rest-sqs {
    bind-hostname = "127.0.0.1"
    bind-port = $(port_of elasticmq)
    sqs-limits = strict
}
queues-storage { enabled = true, path = "$at/queues.conf" }
messages-storage { enabled = true, uri = "jdbc:h2:$at/messages;WRITE_DELAY=0" }
CONF
    own -R "$at"
    java_command elasticmq 256 -Dconfig.file="$at/elasticmq.conf" \
        org.elasticmq.server.Main
    background elasticmq "${java[@]}"
}

elasticmq_running() { serves elasticmq java; }

elasticmq_stop() { end_process elasticmq java; }

elasticmq_url() { echo sqs://elasticmq/000000000000; }

elasticmq_env() { echo "export ALEX_TEST_SQS=$(elasticmq_url)"; }
