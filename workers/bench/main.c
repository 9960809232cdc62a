#include "bench/bench.h"

int
main(int argc, char **argv)
{
    return worker_main(argc, argv, &bench_worker);
}
