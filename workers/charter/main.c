#include "charter/charter.h"

int
main(int argc, char **argv)
{
    return worker_main(argc, argv, &charter_worker);
}
