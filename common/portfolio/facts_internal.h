/* Inside common/portfolio: the parts of portfolio_facts(). */
#pragma once

#include "portfolio/facts.h"

void portfolio_drift(const struct portfolio_targets *targets,
                     const struct portfolio_exposure *exposure,
                     int64_t base_cents, struct arena *mem,
                     struct portfolio_drift *ret);
/* Fills issues; the rest of 'facts' is complete. */
void portfolio_issues(const struct portfolio *portfolio, struct arena *mem,
                      struct portfolio_facts *facts);
