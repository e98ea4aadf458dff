package deribittest

import (
	"encoding/json"
	"net/url"
	"strings"
)

// Types of the parameters that are not strings. A name has one type in all methods that the server knows.
var paramTypes = wordTable(map[string]string{
	"boolean": `detailed enabled expired extended freeze_quotes historical include_old include_unfilled invalidate_token mmp
		personal post_only reduce_only reject_post_only with_continuation with_open_orders with_portfolio`,
	"number": `amount contracts count depth display_amount end_seq end_timestamp id instrument_id interval limit
		max_show offset price search_start_timestamp start_seq start_timestamp subject_id timestamp trigger_offset
		trigger_price user_id valid_until subaccount_id`,
	"array": `channels enabled_features extra_currencies ids ip_whitelist trading_products`,
})

// wordTable inverts a map of kinds to words.
func wordTable(byType map[string]string) map[string]string {
	table := make(map[string]string)
	for kind, names := range byType {
		for name := range strings.FieldsSeq(names) {
			table[name] = kind
		}
	}
	return table
}

// typedParams gives the parameters of a query the types that the methods expect. A value that is not of its type stays a
// string, for the method to refuse.
func typedParams(query url.Values) map[string]any {
	params := make(map[string]any, len(query))
	for name, values := range query {
		name, _ = strings.CutSuffix(name, "[]")
		params[name] = typedParam(paramTypes[name], values)
	}
	return params
}

func typedParam(kind string, values []string) any {
	text := values[0]
	switch kind {
	case "boolean":
		if text == "true" || text == "false" {
			return json.RawMessage(text)
		}
	case "number":
		var n json.Number
		if json.Unmarshal([]byte(text), &n) == nil && !strings.HasPrefix(text, `"`) {
			return json.RawMessage(text)
		}
	case "array":
		var list []string
		if json.Unmarshal([]byte(text), &list) == nil {
			return list
		}
		if len(values) == 1 {
			return strings.Split(text, ",")
		}
		return values
	}
	return text
}
