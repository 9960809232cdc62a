# shellcheck shell=bash disable=SC2154
# One Apache Kafka that is broker and controller (KRaft).  Topics have to be
# created, as where operators decide on them.  $ALEX_KAFKA_ADVERTISED is the port
# of a proxy that clients shall go through.

kafka_packages() { java_packages; }

kafka_fetch() { java_fetched kafka || java_fetch kafka; }

kafka_conf() {
    local port controller
    port=$(port_of kafka) controller=$(port_of kafka-controller)
    cat <<CONF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:${ALEX_KAFKA_ADVERTISED:-$port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$data/kafka/log
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=1000
broker.session.timeout.ms=5000
CONF
}

kafka_start() {
    local at=$data/kafka
    mkdir -p "$at"
    choose_port kafka
    choose_port kafka-controller
    kafka_conf >"$at/server.properties"
    own -R "$at"
    if [ ! -e "$at/log/meta.properties" ]; then
        java_command kafka 128 kafka.tools.StorageTool format \
            -t "$(kafka_cluster_id)" -c "$at/server.properties"
        unprivileged "${java[@]}" >"$data/kafka.log" 2>&1 9>&- ||
            die 1 "kafka cannot be set up, see $data/kafka.log"
    fi
    java_command kafka 384 kafka.Kafka "$at/server.properties"
    background kafka "${java[@]}"
}

# 16 bytes in base64, the first sign not a minus.
kafka_cluster_id() {
    echo "A$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c 2-22)"
}

kafka_running() { serves kafka java; }

kafka_stop() { end_process kafka java; }

kafka_url() { echo "kafka://127.0.0.1:$(port_of kafka)"; }

kafka_env() { echo "export ALEX_TEST_KAFKA=$(kafka_url)"; }
