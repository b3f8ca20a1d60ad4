// Types for the part of cli-progress that tcplab uses: it ships plain JavaScript.

declare module "cli-progress" {
  export interface Options {
    format?: (options: Options, params: { progress: number }) => string;
    barsize?: number;
    clearOnComplete?: boolean;
    linewrap?: boolean;
  }
  class SingleBar {
    constructor(options: Options);
    readonly isActive: boolean;
    start(total: number, startValue: number): void;
    update(value: number): void;
    setTotal(total: number): void;
    stop(): void;
  }
  const cliProgress: {
    SingleBar: typeof SingleBar;
    Format: { BarFormat(progress: number, options: Options): string };
  };
  export default cliProgress;
}
