/** Where the trained model of the tiny world lies: a model directory like any other. */
export const checkpointDirectory: URL = new URL('../checkpoint', import.meta.url);
