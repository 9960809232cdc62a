/* What the agent answers with, from a finished projection. */
#pragma once

#include "base/buf.h"
#include "portfolio/exposure.h"
#include "portfolio/snapshot.h"
#include "retirement/project.h"

struct retirement_report {
    const struct portfolio *portfolio;
    const struct portfolio_exposure *classes;
    const struct retirement_case *plan;
    const struct retirement_result *result;
    int current_age;     /* -1: unknown. */
    bool years_assumed;  /* The user did not say when. */
    size_t unpriced;     /* Holdings counted as $0. */
    bool saving_assumed; /* The contribution is the assumptions'. */
};

/* Markdown, under 6 KB, every number from the report. */
void retirement_write_prose(const struct retirement_report *report,
                            struct buf *out);
/* The "detail" object of the result. */
void retirement_write_detail(const struct retirement_report *report,
                             struct buf *out);
