#include "tagger/tagger.h"

int
main(int argc, char **argv)
{
    return worker_main(argc, argv, &tagger_worker);
}
