// Declared queries of tables: `@name` in the text becomes the driver's own placeholder where it names a declared value,
// never inside of quotes and comments. A value is always bound.

/** What is no place for a parameter (strings, quoted names, dollar quotes, comments), or a name behind `@`. */
const TOKENS =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\$([A-Za-z_]\w*)?\$[\s\S]*?\$\1\$|@([A-Za-z_]\w*)/g;

/** @param place of a value in the statement, by its name */
export function withPlaces(text: string, names: readonly string[], place: (name: string) => string): string {
  return text.replace(TOKENS, (token, _tag, name: string | undefined) =>
    name !== undefined && names.includes(name) ? place(name) : token,
  );
}
