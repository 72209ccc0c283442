/**
 * Keeps the frame when a view fails: a mistake of ours in one view should leave the others.
 */
import { Component, type ComponentChildren } from "preact"
import { Failure } from "../parts/States.tsx"

export class Guard extends Component<{ readonly children: ComponentChildren }, { readonly failure?: Error }> {
  override state: { readonly failure?: Error } = {}

  override componentDidCatch(error: unknown): void {
    this.setState({ failure: error instanceof Error ? error : new Error(String(error)) })
  }

  override render() {
    const { failure } = this.state
    return failure === undefined
      ? this.props.children
      : (
        <Failure
          problem={{
            status: 0,
            type: "page",
            title: "This view has failed, which is a mistake of the page",
            detail: failure.message,
            fields: {}
          }}
          retry={() => this.setState({ failure: undefined as never })}
        />
      )
  }
}
