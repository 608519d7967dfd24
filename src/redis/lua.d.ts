declare module '*.lua' {
  const text: string;
  // biome-ignore lint/style/noDefaultExport: what bundlers make of a text file
  export default text;
}
