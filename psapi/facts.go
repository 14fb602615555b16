package psapi

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"cartiger/problem"
)

// The configuration values that Facts needs (capture 104).
const (
	confShopName  = "PS_SHOP_NAME"
	confZone      = "PS_TIMEZONE"
	confCurrency  = "PS_CURRENCY_DEFAULT"
	confLanguage  = "PS_LANG_DEFAULT"
	confRoundMode = "PS_PRICE_ROUND_MODE"
)

// maxResources bounds the list of rights; PrestaShop 1.7 has about 80 resources.
const maxResources = 500

var verbs = []string{"get", "put", "post", "delete", "head"}

// Probe takes one look at the shop: the root document (who answers, which rights) and one list of configuration
// values. That is two requests; a third one when api/ or the Authorization header does not work. Where the key has
// no right to the configurations, the facts lack zone, currency and language, and Rights says why.
func (c *Client) Probe(ctx context.Context) (Facts, error) {
	facts := Facts{URL: c.base.String(), Insecure: c.insecure}
	c.mu.Lock()
	c.triedURL = false // what was not let through yesterday may be today
	c.mu.Unlock()
	r, err := c.get(ctx, "", nil, false)
	if c.elsewhere(err) {
		c.turn(true)
		// The first answer is the better diagnosis: this way is nobody's to type.
		if again, second := c.get(ctx, "", nil, false); second == nil || !isElsewhere(second) {
			r, err = again, second
		} else {
			c.turn(false)
		}
	}
	if err != nil {
		return facts, plain(err)
	}
	api := r.root.child("api")
	if api == nil {
		return facts, unavailable(CodeMalformed, "the shop's answer lists no resources", noSuchShop).problem
	}
	facts.Noise, facts.Latency = r.noise, r.took
	facts.ShopName = excerpt(api.attr["shop_name"])
	if facts.ShopName == "" {
		facts.ShopName = excerpt(api.attr["shopName"]) // since 1.5
	}
	facts.Rights = rights(api)
	c.mu.Lock()
	facts.Version, facts.Skew, facts.KeyInURL, facts.Dispatcher = c.version, c.skew, c.keyInURL, c.dispatcher
	c.mu.Unlock()
	if !slices.Contains(facts.Rights["configurations"], "get") {
		return facts, nil
	}
	values, err := c.Configuration(ctx, confShopName, confZone, confCurrency, confLanguage, confRoundMode)
	if err != nil {
		return facts, err
	}
	if name := values[confShopName]; name != "" {
		facts.ShopName = excerpt(name) // the root document's is cut and escaped for HTML
	}
	facts.Zone = excerpt(values[confZone])
	facts.DefaultCurrency, _ = strconv.ParseInt(values[confCurrency], 10, 64)
	facts.DefaultLanguage, _ = strconv.ParseInt(values[confLanguage], 10, 64)
	facts.RoundMode = 2 // the shop's own default
	if mode, err := strconv.Atoi(values[confRoundMode]); err == nil {
		facts.RoundMode = mode
	}
	return facts, nil
}

// rights are the verbs that the root document grants, by resource (capture 017).
func rights(api *node) map[string][]string {
	granted := make(map[string][]string, len(api.kids))
	for _, resource := range api.kids[:min(len(api.kids), maxResources)] {
		name := excerpt(resource.name)
		for _, verb := range verbs {
			if resource.attr[verb] == "true" {
				granted[name] = append(granted[name], verb)
			}
		}
	}
	return granted
}

// elsewhere says that something other than the web service answered, and that the way without mod_rewrite is
// still untried.
func (c *Client) elsewhere(err error) bool {
	c.mu.Lock()
	tried := c.dispatcher
	c.mu.Unlock()
	return !tried && isElsewhere(err)
}

func isElsewhere(err error) bool {
	var f *failure
	return errors.As(err, &f) && (f.problem.Code == CodeNotThere || f.problem.Code == CodeHTML)
}

func (c *Client) turn(dispatcher bool) {
	c.mu.Lock()
	c.dispatcher = dispatcher
	c.mu.Unlock()
}

// Configuration reads values of the shop's configuration by name; a name that the shop does not have is absent.
func (c *Client) Configuration(ctx context.Context, names ...string) (map[string]string, error) {
	values := make(map[string]string, len(names))
	for chunk := range slices.Chunk(names, 50) {
		rows, err := c.configuration(ctx, chunk)
		if err != nil {
			return nil, plain(err)
		}
		for _, r := range rows {
			name := r.fields["name"]
			if _, twice := values[name]; !twice && slices.Contains(names, name) {
				values[name] = r.fields["value"]
			}
		}
	}
	if text, ok := values[confLanguage]; ok {
		language, _ := strconv.ParseInt(text, 10, 64)
		c.mu.Lock()
		c.language = language
		c.mu.Unlock()
	}
	return values, nil
}

var configurations = shape{name: "configurations", fields: []string{"name", "value"}, page: maxLimit}

func (c *Client) configuration(ctx context.Context, names []string) ([]row, error) {
	q := Query{Where: []Filter{{Field: "name", Op: OneOf, Values: names}}}
	if err := q.check(configurations); err != nil {
		return nil, err
	}
	return c.ask(ctx, configurations, q, []string{"id", "name", "value"}, maxLimit, true)
}

// Speak tells the client the shop's default language (PS_LANG_DEFAULT) as it was read lately, which saves asking for
// it; 0 tells nothing.
func (c *Client) Speak(language int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.language == 0 {
		c.language = language
	}
}

// tongue is the shop's default language, asked for once; 0 when it cannot be had: then all languages come, and
// the first that has a text is taken.
func (c *Client) tongue(ctx context.Context) (int64, error) {
	c.mu.Lock()
	language := c.language
	c.mu.Unlock()
	if language != 0 {
		return max(language, 0), nil
	}
	values, err := c.Configuration(ctx, confLanguage)
	if err != nil && problem.KindOf(err) != problem.Unauthorised {
		return 0, err
	}
	language, _ = strconv.ParseInt(values[confLanguage], 10, 64)
	if language <= 0 {
		language = -1
	}
	c.mu.Lock()
	c.language = language
	c.mu.Unlock()
	return max(language, 0), nil
}
