"""A plain PyTorch loop (transformers, PEFT): one node after the other."""
import workload

if __name__ == "__main__":
    workload.federate(workload.arguments(__doc__).parse_args(), workload.Loop, "PyTorch loop")
