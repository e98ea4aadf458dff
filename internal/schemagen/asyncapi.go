package main

// An asyncDocument is what is needed of an AsyncAPI 3.0 document.
type asyncDocument struct {
	Channels map[string]struct {
		Messages map[string]struct {
			Payload  schema
			Examples []struct{ Payload any }
		}
	}
}

// derive gives the schema of each channel's data, and the examples of it. The document types the data of every channel as
// an object of anything, of those too whose data is a list; so its type counts only where nothing else is known.
func (d asyncDocument) derive(words vocabulary) (channels, examples section) {
	channels, examples = section{}, section{}
	for name, channel := range d.Channels {
		message, ok := channel.Messages["subscription_message"]
		if !ok {
			continue
		}
		list := make([]any, 0, len(message.Examples))
		for _, e := range message.Examples {
			list = append(list, e.Payload)
		}
		if len(list) > 0 {
			examples[name] = list
		}
		known, same := sameObject[name]
		switch {
		case same:
			channels[name] = known
		case len(list) > 0:
			channels[name] = words.inferred(list)
		default:
			channels[name] = bare(message.Payload)
		}
	}
	return channels, examples
}

// sameObject names the channels whose data is an object that the OpenAPI document defines, since methods return it too.
var sameObject = map[string]schema{
	"trades.(instrument_name).(interval)":            listOf("public_trade"),
	"trades.(kind).(currency).(interval)":            listOf("public_trade"),
	"user.access_log":                                the("access_log"),
	"user.changes.(instrument_name).(interval)":      changes(),
	"user.changes.(kind).(currency).(interval)":      changes(),
	"user.combo_trades.(instrument_name).(interval)": listOf("user_trade"),
	"user.combo_trades.(kind).(currency).(interval)": listOf("user_trade"),
	"user.orders.(instrument_name).(interval)":       listOf("order"),
	"user.orders.(instrument_name).raw":              the("order"),
	"user.orders.(kind).(currency).(interval)":       listOf("order"),
	"user.orders.(kind).(currency).raw":              the("order"),
	"user.trades.(instrument_name).(interval)":       listOf("user_trade"),
	"user.trades.(kind).(currency).(interval)":       listOf("user_trade"),
}

const fromOpenAPI = "from the OpenAPI document"

func the(component string) schema {
	return schema{"$comment": fromOpenAPI, "$ref": definitionPrefix + component}
}

func listOf(component string) schema {
	return schema{"$comment": fromOpenAPI, "type": "array", "items": reference(component)}
}

// changes is the data of user.changes. The document's own component user_change names its lists otherwise than every
// example does.
func changes() schema {
	list := func(component string) schema { return schema{"type": "array", "items": reference(component)} }
	return schema{
		"$comment": fromOpenAPI,
		"type":     "object",
		"required": []any{"instrument_name", "trades", "orders", "positions"},
		"properties": schema{
			"instrument_name": reference("instrument_name"),
			"trades":          list("user_trade"),
			"orders":          list("order"),
			"positions":       list("position"),
		},
	}
}

func reference(component string) schema { return schema{"$ref": definitionPrefix + component} }
