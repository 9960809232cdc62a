#include "planner/planner.h"

int
main(int argc, char **argv)
{
    return worker_main(argc, argv, &planner_worker);
}
