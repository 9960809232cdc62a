#include <string.h>

#include "base/cleanup.h"
#include "charter/charter.h"
#include "portfolio/words.h"

/* The first that is found decides, so that "individual 401k" is advantaged. */
static const struct {
    const char *words; /* As portfolio_words() makes them. */
    enum charter_tax tax;
} rules[] = {
    {" non taxable ", CHARTER_TAX_ADVANTAGED},
    {" taxable ", CHARTER_TAX_TAXABLE},
    {" 401k ", CHARTER_TAX_ADVANTAGED},
    {" 401 k ", CHARTER_TAX_ADVANTAGED},
    {" 403b ", CHARTER_TAX_ADVANTAGED},
    {" 457b ", CHARTER_TAX_ADVANTAGED},
    {" 529 ", CHARTER_TAX_ADVANTAGED},
    {" ira ", CHARTER_TAX_ADVANTAGED},
    {" roth ", CHARTER_TAX_ADVANTAGED},
    {" hsa ", CHARTER_TAX_ADVANTAGED},
    {" tsp ", CHARTER_TAX_ADVANTAGED},
    {" pension ", CHARTER_TAX_ADVANTAGED},
    {" tax free ", CHARTER_TAX_ADVANTAGED},
    {" tax deferred ", CHARTER_TAX_ADVANTAGED},
    {" tax advantaged ", CHARTER_TAX_ADVANTAGED},
    {" brokerage ", CHARTER_TAX_TAXABLE},
    {" individual ", CHARTER_TAX_TAXABLE},
    {" joint ", CHARTER_TAX_TAXABLE},
    {" margin ", CHARTER_TAX_TAXABLE},
    {" checking ", CHARTER_TAX_TAXABLE},
    {" general investment ", CHARTER_TAX_TAXABLE},
};

static enum charter_tax
tax_of_text(const char *text, struct arena *mem)
{
    const char *words = portfolio_words(text, mem);

    for (size_t i = 0; i < ARRAY_COUNT(rules); i++) {
        if (strstr(words, rules[i].words)) {
            return rules[i].tax;
        }
    }
    return CHARTER_TAX_UNKNOWN;
}

enum charter_tax
charter_tax_of(const char *name, const char *purpose, struct arena *mem)
{
    enum charter_tax tax = tax_of_text(name, mem);

    return tax != CHARTER_TAX_UNKNOWN ? tax : tax_of_text(purpose, mem);
}
