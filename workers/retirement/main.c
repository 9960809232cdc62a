#include "retirement/retirement.h"

int
main(int argc, char **argv)
{
    return worker_main(argc, argv, &retirement_worker);
}
