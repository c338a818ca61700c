"""What the safety agent needs: rules that fire, masks, guards outside, and answers held back until they are judged."""
