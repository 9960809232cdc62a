#include "reporter/reporter.h"

int
main(int argc, char **argv)
{
    return worker_main(argc, argv, &reporter_worker);
}
